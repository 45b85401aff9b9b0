class BasketError < StandardError; end

class Checkout
  def charge(basket)
    basket.fetch("total") { |key| raise BasketError, "basket #{basket["id"]} has no #{key}" }
  end
end
